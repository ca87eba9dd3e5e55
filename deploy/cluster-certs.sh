#!/bin/sh
# Makes the certificates with which the servers of a cluster prove themselves to each other: a CA of its own, and for each
# name or address a certificate for both directions.
#
#   deploy/cluster-certs.sh DIR HOST...
#
# DIR gets ca.pem (--cluster-ca), HOST.pem (--cluster-cert) and HOST-key.pem (--cluster-key). The CA's key, ca-key.pem, is needed
# only to add a server: run it again with the new one's name. A certificate that is there stays. Keep ca-key.pem off the servers.
set -eu
[ $# -ge 2 ] || { echo "usage: $0 DIR HOST..." >&2; exit 2; }
command -v openssl >/dev/null || { echo "$0: please install openssl" >&2; exit 1; }
dir=$1 days=${DAYS:-825}
shift
umask 077
mkdir -p "$dir"
if [ ! -e "$dir/ca.pem" ]; then
  openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 3650 \
    -keyout "$dir/ca-key.pem" -out "$dir/ca.pem" -subj "/CN=tidewire cluster" \
    -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign 2>/dev/null
fi
for host in "$@"; do
  case "$host" in
    '' | *[!A-Za-z0-9.:-]*) echo "$0: \"$host\" is no name and no address" >&2; exit 2 ;;
    *:* | *[0-9].*[0-9].*[0-9].*[0-9]) san=IP:$host ;;
    *) san=DNS:$host ;;
  esac
  [ ! -e "$dir/$host.pem" ] || continue
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 \
    -keyout "$dir/$host-key.pem" -out "$dir/$host.csr" -subj "/CN=$host" 2>/dev/null
  printf '%s\n' "subjectAltName=$san" basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature \
    extendedKeyUsage=serverAuth,clientAuth >"$dir/$host.ext"
  openssl x509 -req -in "$dir/$host.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca-key.pem" -CAcreateserial -sha256 -days "$days" \
    -extfile "$dir/$host.ext" -out "$dir/$host.pem" 2>/dev/null
  rm "$dir/$host.csr" "$dir/$host.ext"
done
# Containers read them as a user of their own: what keeps others out is the folder.
chmod 644 "$dir"/*.pem
chmod 600 "$dir/ca-key.pem"
