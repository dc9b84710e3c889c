#!/bin/sh
# Installs the platform from its source into a folder, as the image has it: the versions of requirements.lock with their
# hashes, the package, and what it reads beside itself. The Dockerfile runs it, and so does the test of the image.
# Usage: install.sh SOURCE PREFIX TOOLS [PYTHON]. TOOLS holds what builds (uv, hatchling); the image leaves it behind.
set -eu

source=$(cd "$1" && pwd)
mkdir -p "$2" "$3"
prefix=$(cd "$2" && pwd)
tools=$(cd "$3" && pwd)
python=${4:-python3}

"$python" -m venv "$tools"
"$tools/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes \
    --requirement "$source/deploy/image/tools.lock"

# No pip and no setuptools: nothing installs anything in a pod.
"$tools/bin/uv" venv --quiet --clear --no-project --python "$python" "$prefix/.venv"
"$tools/bin/uv" pip sync --quiet --link-mode copy --python "$prefix/.venv/bin/python" --require-hashes \
    "$source/deploy/image/requirements.lock"

# pyproject.toml names the definitions to Dagster; `clickstream demo` copies dagster.yaml.
for name in clickstream_platform pyproject.toml dagster.yaml workspace.yaml README.md LICENSE; do
    cp -R "$source/$name" "$prefix/$name"
done
(cd "$prefix" && "$tools/bin/hatchling" build --target wheel:editable --directory "$tools/dist" >/dev/null)
"$tools/bin/uv" pip install --quiet --offline --no-deps --python "$prefix/.venv/bin/python" "$tools"/dist/*.whl

# What nothing at run time reads: packages' own tests and C headers. (Arrow's libraries all need each other.)
packages=$(echo "$prefix"/.venv/lib/python3.*/site-packages)
find "$packages" -type d -name tests -prune -exec rm -rf {} +
rm -rf "$packages/pyarrow/include"

# Nobody can write byte code later. Sources that no Python here can compile are examples that packages bring along.
find "$prefix" -name '*.pyc' -delete
"$prefix/.venv/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$prefix" >/dev/null 2>&1 || true
test -n "$(find "$prefix/clickstream_platform" -name 'settings.*.pyc')" ||
    { echo "install.sh: nothing was compiled; see python -m compileall $prefix/clickstream_platform" >&2; exit 1; }
chmod -R u=rwX,go=rX "$prefix"
