#!/bin/sh
# Writes what an installed platform consists of: its Python packages as CycloneDX, the system's as a table.
# Usage: sbom.sh PREFIX TOOLS OUT
set -eu

prefix=$1 tools=$2 out=$3
mkdir -p "$out"
"$tools/bin/cyclonedx-py" environment --pyproject "$prefix/pyproject.toml" --output-reproducible --of JSON \
    --output-file "$out/python.cdx.json" "$prefix/.venv/bin/python"
if command -v dpkg-query >/dev/null; then
    dpkg-query --show --showformat '${Package}\t${Version}\t${Architecture}\n' >"$out/debian-packages.tsv"
fi
