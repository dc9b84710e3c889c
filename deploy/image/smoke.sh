#!/bin/sh
# Starts every program of an installed platform as a pod does: as any user, with nothing to write to but one folder.
# Usage: smoke.sh PREFIX WRITABLE. Run it as that user, with an environment that has no CLICKSTREAM_* variables.
set -eu

prefix=$1 writable=$2
export PATH="$prefix/.venv/bin:$PATH" HOME="$writable" TMPDIR="$writable" DAGSTER_HOME="$writable/dagster"
export CLICKSTREAM_HOME="$writable/clickstream" DAGSTER_DISABLE_TELEMETRY=yes
mkdir -p "$DAGSTER_HOME"
cd "$prefix"

for words in "" collector batcher exporter canary "registry serve"; do
    # shellcheck disable=SC2086
    clickstream $words --help >/dev/null
done
dagster-webserver --version
dagster-daemon --version
dagster code-server start --help >/dev/null
python -m clickstream_platform.health --help >/dev/null
# What is imported only when there is work to do: drivers, Arrow, the launcher of pods.
python -c 'import dagster_k8s, psycopg2
import clickstream_platform.gateways.kinesis_reader, clickstream_platform.load.loader
import clickstream_platform.transform.transformer, clickstream_platform.warehouses.duckdb
import clickstream_platform.warehouses.redshift, clickstream_platform.warehouses.redshift_connection'

# What dagster.yaml names can be imported, and the code server has definitions to show.
cp "$prefix/dagster.yaml" "$DAGSTER_HOME/dagster.yaml"
python - <<'END'
import dagster as dg

with dg.DagsterInstance.get() as instance:
    print(type(instance.run_coordinator).__name__, type(instance.run_launcher).__name__)
END
dagster definitions validate --module-name clickstream_platform.definitions >"$writable/validate.log" 2>&1 || {
    cat "$writable/validate.log" >&2
    exit 1
}
echo "definitions load"

if touch "$prefix/.written" 2>/dev/null; then
    echo "$prefix can be written to" >&2
    exit 1
fi
