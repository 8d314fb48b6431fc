# Prints a line with its number and the time each $1 s until the file $2 is there, without starting a process for it.
exec {idle}<> <(:)
for ((n = 1; ; n++)); do
  [[ -e $2 ]] && exit 0
  now=$EPOCHREALTIME
  printf '{"type":"text","text":"tick %d %s"}\n' "$n" "${now/,/.}"
  read -rt "$1" -u "$idle" _
done
