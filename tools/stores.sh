# shellcheck shell=bash
# A server that speaks S3, for tests: sets MOTO, installing it into target/tools. To be sourced.
#
#   . tools/stores.sh; find_moto || exit 3
#
# A server that is named by MOTO already is taken as it is.
stores=$(realpath -m "${CARGO_TARGET_DIR:-target}")/tools

# moto_server 5.2.5 in a Python environment of its own: buckets in memory. Flask is what it serves with.
find_moto() {
  local folder=$stores/moto-5.2.5
  [ -z "${MOTO:-}" ] || return 0
  if [ -x "$folder/bin/moto_server" ]; then
    MOTO=$folder/bin/moto_server
  elif command -v moto_server >/dev/null; then
    MOTO=$(command -v moto_server)
  elif python3 -c 'import ensurepip' 2>/dev/null; then
    echo "installing moto 5.2.5, which takes a minute" >&2
    # What an interrupted installation has left.
    rm -rf "$folder"
    python3 -m venv "$folder" || return
    "$folder/bin/pip" install --quiet --disable-pip-version-check 'moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.5 >&2 ||
      { rm -rf "$folder"; return 1; }
    MOTO=$folder/bin/moto_server
  else
    echo "there is no moto_server and no Python with venv to install it: Debian package python3-venv" >&2
    return 1
  fi
  export MOTO
}
