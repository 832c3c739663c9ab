#!/usr/bin/env bash
# Builds the base image of the end-to-end test: Debian or Ubuntu as on this machine, so that what is compiled here runs
# there; Node; AWS's runtime interface client and emulator.
#
# Usage: build.sh TAG NODE_PREFIX    the folder of Node's bin/ and include/
set -euo pipefail

tag=$1 node=$2
here=$(cd "$(dirname "$0")" && pwd)
root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

work=$(mktemp -d)
trap 'root rm -rf "$work"' EXIT
context=$work/context
mkdir -p "$context/runtime"
cp "$here"/{Dockerfile,entrypoint.sh} "$node/bin/node" "$context"

# Its native part is compiled for the very Node that is in the image.
PATH=$node/bin:$PATH npm_config_nodedir=$node \
  npm install --prefix "$context/runtime" --ignore-scripts=false --no-audit --no-fund aws-lambda-ric@4.0.2

python3 -m pip download --quiet --no-deps --require-hashes -d "$work" -r "$here/requirements.txt"
python3 -c '
import pathlib, sys, zipfile
wheel, machine, target = sys.argv[1:]
name = {"aarch64": "arm64"}.get(machine, machine)
pathlib.Path(target).write_bytes(zipfile.ZipFile(wheel).read(f"samcli/local/rapid/aws-lambda-rie-{name}"))
' "$work"/aws_sam_cli-*.whl "$(uname -m)" "$context/aws-lambda-rie"
chmod 755 "$context/aws-lambda-rie"

. /etc/os-release
# From where this machine's own packages come, unless that is a list of mirrors.
mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $VERSION_CODENAME" | grep -m1 '^http' || true)
root debootstrap --variant=minbase "$VERSION_CODENAME" "$work/root" ${mirror:+"$mirror"}
root tar -C "$work/root" -c . | docker import - "$tag-system"
docker build --build-arg "DEBIAN=$tag-system" --tag "$tag" "$context"
