#!/usr/bin/env bash
# Incremental backups with curl and GNU tar, as scripts of 2010 made them.
#
#   incremental.sh full ACCESS_URL NAME FOLDER STATE       prints the chain's base name
#   incremental.sh increment ACCESS_URL BASE N FOLDER STATE
#   incremental.sh restore ACCESS_URL BASE FOLDER
#
# CURL_CA_BUNDLE is the certificate to trust.
set -eu -o pipefail

upload() { # url file
  local answer
  answer=$(curl -sS -w '\n%{http_code}' -T "$2" "$1")
  case "${answer##*$'\n'}" in
    2??) printf '%s' "${answer%$'\n'*}" >&2 ;;
    *) echo "failed: $answer" >&2; exit 1 ;;
  esac
}

archive() { # url name folder state
  local file
  file=$(mktemp)
  tar -cz -f "$file" -C "$3" --listed-incremental="$4" .
  upload "$1$2" "$file"
  rm "$file"
}

command=$1 url=$2
case "$command" in
  full)
    base="$3-$(date -u +%Y%m%dT%H%M%SZ)"
    rm -f "$5"
    archive "$url" "$base-full.tar.gz" "$4" "$5"
    echo "$base"
    ;;
  increment)
    archive "$url" "$3-inc$4.tar.gz" "$5" "$6"
    ;;
  restore)
    mkdir -p "$4"
    part=full number=0
    while :; do
      status=$(curl -sS -o "$4.part" -w '%{http_code}' "$url$3-$part.tar.gz")
      if [ "$status" = 404 ] && [ "$number" -gt 0 ]; then break; fi
      if [ "$status" != 200 ]; then echo "failed: $status" >&2; exit 1; fi
      tar -xz -f "$4.part" -C "$4" --listed-incremental=/dev/null
      number=$((number + 1))
      part=inc$number
    done
    rm "$4.part"
    echo "applied $number"
    ;;
esac
