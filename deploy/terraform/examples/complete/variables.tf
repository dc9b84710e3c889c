variable "region" {
  description = "AWS region of everything."
  type        = string
}

variable "name" {
  description = "Name of the installation."
  type        = string
  default     = "clickstream"
}

variable "bucket_name" {
  description = "Name of the bucket of all objects, unique in the world."
  type        = string
}

variable "cluster_public_cidrs" {
  description = "Networks that may reach the cluster's API, such as that of your office."
  type        = list(string)
}
