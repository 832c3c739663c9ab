#!/usr/bin/env bash
# Installs what the end-to-end test needs of a Debian or Ubuntu system and does not find: Docker, debootstrap, and what
# AWS's runtime interface client is compiled with.
set -euo pipefail

missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need docker docker.io
need dockerd docker.io
need debootstrap debootstrap
need autoconf autoconf
need automake automake
need libtoolize libtool
need cmake cmake
need make make
need g++ g++
[ ${#missing[@]} = 0 ] && exit

root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
root apt-get update -qq
root apt-get install -y -qq --no-install-recommends "${missing[@]}"
