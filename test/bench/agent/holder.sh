# Writes what it would reach egress by into the file $1, and stays until the file $2 is there.
exec {idle}<> <(:)
printf '%s' "$HTTP_PROXY" >"$1.new"
mv "$1.new" "$1"
until [[ -e $2 ]]; do read -rt 0.2 -u "$idle" _; done
