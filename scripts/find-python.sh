#!/bin/sh
# Prints the first Python that is 3.11 or newer: $PYTHON, then python3, then the versioned names. Exits 1 with a message.
for candidate in "${PYTHON:-python3}" python3 python3.13 python3.12 python3.11 python3.14 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        command -v "$candidate"
        exit 0
    fi
done
echo "Brownout needs Python 3.11 or newer, and none was found on PATH." >&2
echo "  -> install one, or name it: make setup PYTHON=/path/to/python3.12" >&2
exit 1
