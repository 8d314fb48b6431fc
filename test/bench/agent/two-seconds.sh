# Works for two seconds on a file of its own, commits it and ends.
now=$EPOCHREALTIME
printf '{"type":"text","text":"began %s"}\n' "${now/,/.}"
sleep 2
file="work-${CAPSTAN_RUN_ID:-$$}.txt"
printf '%s\n' "$now" >"$file"
git add "$file" && git commit --quiet --message "Work of two seconds"
