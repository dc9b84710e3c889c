output "clickstream" {
  description = "What the module tells: terraform output -json clickstream."
  value       = module.clickstream
}

output "helm_values" {
  description = "Values for the chart."
  value       = module.clickstream.helm_values
}
