#!/usr/bin/env bash
# docs/fidelity.md says what the program prints: every property's row stands there. Instructions depend on the compiler, so
# only that each operation has its row is looked at.
# usage: fidelity-doc.sh BUILD
set -u
program=$(realpath "$1")/tests/fidelity
cd "$(dirname "$0")/.." || exit 1
failed=0
rows=$("$program") || failed=1
while IFS= read -r row; do
  grep -qxF -- "$row" docs/fidelity.md || { echo "docs/fidelity.md lacks: $row"; failed=1; }
done <<< "$rows"
while IFS=, read -r name kernel _; do
  grep -qF -- "| $name | $kernel |" docs/fidelity.md || { echo "docs/fidelity.md lacks the operation $name"; failed=1; }
done < <(tail -n +2 tests/data/cost.csv)
[ $failed = 0 ] && echo "$(wc -l <<< "$rows") rows agree; scripts/fidelity --write made them"
exit $failed
