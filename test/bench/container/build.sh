#!/usr/bin/env bash
# Builds what the Python function stands on: Debian or Ubuntu as on this machine, its Python, and the packages, compiled.
#
# Usage: build.sh TAG
set -euo pipefail

tag=$1
here=$(cd "$(dirname "$0")" && pwd)
root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

work=$(mktemp -d)
trap 'root rm -rf "$work"' EXIT
. /etc/os-release
# From where this machine's own packages come, unless that is a list of mirrors.
mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $VERSION_CODENAME" | grep -m1 '^http' || true)
root debootstrap --variant=minbase --include=python3 "$VERSION_CODENAME" "$work/root" ${mirror:+"$mirror"}
version=$(root chroot "$work/root" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
python3 -m pip install --quiet --disable-pip-version-check --only-binary=:all: --python-version "$version" \
  --target "$work/packages" --no-compile -r "$here/requirements.txt"
root cp -R "$work/packages" "$work/root/var/runtime"
root chroot "$work/root" python3 -m compileall -q /var/runtime
root tar -C "$work/root" -c . | docker import - "$tag"
