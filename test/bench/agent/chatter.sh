# Prints $1 lines as fast as it can, each with the time at which it was printed.
for ((n = 1; n <= $1; n++)); do
  now=$EPOCHREALTIME
  printf '{"type":"text","text":"line %d %s"}\n' "$n" "${now/,/.}"
done
