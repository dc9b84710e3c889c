#!/bin/sh
# Makes the image without Docker, as an archive like that of `docker save`, for a cluster that cannot pull: Debian 12 with
# its own Python in place of the base image, then the steps of the Dockerfile. Needs root, debootstrap, Debian 12's python3.
# Usage: archive.sh OUTPUT.tar NAME:TAG [MIRROR], NAME in full, such as docker.io/library/clickstream-platform:test
#   then  ctr --namespace k8s.io images import OUTPUT.tar  or  kind load image-archive OUTPUT.tar
set -eu

here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
output=$1 name=$2
mirror=${3:-$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "bookworm" && $2 == "main" { print $3; exit }')}
[ "$(id -u)" = 0 ] || { echo "archive.sh: only root can make a file system of several users" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/var/tmp}/image.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root

# In a mount namespace of its own: whatever is mounted is gone with it, before anything is deleted.
unshare --mount --propagation private debootstrap --variant=minbase --include=python3,ca-certificates bookworm "$root" \
    ${mirror:+"$mirror"} >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/doc "$root"/usr/share/man \
    "$root"/usr/share/locale

echo "clickstream:x:10001:" >>"$root/etc/group"
echo "clickstream:x:10001:10001::/tmp:/usr/sbin/nologin" >>"$root/etc/passwd"
mkdir -p "$root/srv/clickstream" "$root/srv/dagster" "$root/var/lib/clickstream"
chown 10001:10001 "$root/srv/dagster" "$root/var/lib/clickstream"

# The virtual environment knows its path, so it is made where it will be.
unshare --mount --propagation private sh -eu -c '
    mount -t tmpfs tmpfs /srv
    mkdir /srv/clickstream
    mount --bind "$1/srv/clickstream" /srv/clickstream
    sh "$2/deploy/image/install.sh" "$2" /srv/clickstream "$3" /usr/bin/python3' sh "$root" "$source" "$work/tools"

/usr/bin/python3 "$here/archive.py" "$root" "$name" "$output"
