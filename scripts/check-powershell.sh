#!/usr/bin/env bash
# Checks the syntax of PowerShell scripts without PowerShell, which our Linux machines do not have.
#
#   check-powershell.sh FILE...
#
# The parser does not know `function F { param($x) if ...` on one line: write one statement a line.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

readonly PARSER=target/powershell-parser
readonly PACKAGES=(tree-sitter==0.25.2 tree-sitter-powershell==0.26.4)

if [ ! -e "$PARSER/.ready" ]; then
  python3 -m pip --version >/dev/null 2>&1 || debian_install python3 python3-pip
  rm -rf "$PARSER"
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$PARSER" "${PACKAGES[@]}"
  touch "$PARSER/.ready"
fi

PYTHONPATH=$PARSER python3 - "$@" <<'PYTHON'
import sys
from tree_sitter import Language, Parser
import tree_sitter_powershell

parser = Parser(Language(tree_sitter_powershell.language()))


def broken(node):
    """The first place that could not be parsed, as line and column from 1."""
    if node.type == "ERROR" or node.is_missing:
        return node.start_point[0] + 1, node.start_point[1] + 1
    return next((place for child in node.children if (place := broken(child))), None)


status = 0
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        place = broken(parser.parse(file.read()).root_node)
    if place:
        print(f"{name}:{place[0]}:{place[1]}: cannot parse this as PowerShell", file=sys.stderr)
        status = 1
sys.exit(status)
PYTHON
