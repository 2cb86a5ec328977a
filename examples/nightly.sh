#!/bin/sh
# One night: audits the fleet, keeps the reports of the last nights, says what changed (docs/nightly.md).
#
#   nightly.sh FOLDER [OPTION...]
#
# FOLDER holds what the nights share: fleet.toml (the accounts); forwarders.toml, baseline.toml, waivers.toml and
# downloads/ (the vendor's files) where they are wanted; and what this script keeps there: fleet.sqlite (the history) and
# nights/. OPTIONs go to the audit, behind the script's own, and so take their place.
#
# Ends with the audit's exit code, or with 75 when another night is still at work. Says nothing when all holds.
#
#   TAEGIS_FORWARDERS    the program (default: taegis-forwarders)
#   KEEP_NIGHTS          for how many days reports are kept (default: 30)
set -u
umask 077
folder=${1:?'usage: nightly.sh FOLDER [OPTION...]'}
shift
program=${TAEGIS_FORWARDERS:-taegis-forwarders}
cd "$folder" || exit 4

command -v flock > /dev/null || { echo "nightly.sh: flock is missing: install util-linux" >&2; exit 4; }
exec 9>> .lock || exit 4
if ! flock -n 9; then
  echo "nightly.sh: another night is still at work in $folder" >&2
  exit 75
fi

night=nights/$(date -u +%Y%m%dT%H%M%SZ)
mkdir -p "$night" || exit 4
for pair in settings=forwarders.toml baseline=baseline.toml waivers=waivers.toml release=downloads; do
  if [ -e "${pair#*=}" ]; then set -- "--${pair%%=*}=${pair#*=}" "$@"; fi
done

"$program" --regions=all --accounts=fleet.toml --role=TaegisForwarderAudit --fail-on=finding,unknown \
  --history=fleet.sqlite --html="$night/drift.html" --junitxml="$night/drift.xml" \
  --export="$night/drift.jsonl" --export="$night/drift.md" "$@" > "$night/said.txt" 2>&1
code=$?

ln -sfn "${night#nights/}" nights/latest
if [ "$code" -ne 0 ]; then tail -n 40 "$night/said.txt"; fi
find nights -mindepth 1 -maxdepth 1 -type d -mtime "+${KEEP_NIGHTS:-30}" -exec rm -rf {} +
exit "$code"
