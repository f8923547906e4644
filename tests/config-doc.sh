#!/usr/bin/env bash
# docs/config.md and the code's tables say the same: every row that `describe --format markdown` prints stands in the
# document, and the document has no row of a key that the code doesn't have.
# usage: config-doc.sh BUILD
set -u
s=$(realpath "$1")/scullbench
cd "$(dirname "$0")/.." || exit 1
unset SCULLBENCH_PLUGIN_PATH
failed=0
rows=$(for name in gfp experiment machine pmu matrix plot $("$s" list | grep -oE "^  [a-z0-9-]+ "); do
  "$s" describe "$name" --format markdown || exit 1
done | grep '^| `') || failed=1
while IFS= read -r row; do
  grep -qxF -- "$row" docs/config.md || { echo "docs/config.md lacks: $row"; failed=1; }
done <<< "$rows"
while IFS= read -r row; do
  grep -qxF -- "$row" <<< "$rows" || { echo "docs/config.md has what the code doesn't: $row"; failed=1; }
done < <(grep '^| `' docs/config.md)
# Every plugin is described there at all.
while read -r name; do
  grep -q "\`$name\`" docs/config.md || { echo "docs/config.md doesn't mention $name"; failed=1; }
done < <("$s" list | grep -oE '^  [a-z0-9-]+ ' | tr -d ' ')
[ $failed = 0 ] && echo "$(wc -l <<< "$rows") rows agree"
exit $failed
