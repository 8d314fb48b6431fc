# Says when its first instruction ran, and lives on a little, so that its end hurries nothing before it.
now=$EPOCHREALTIME
printf '{"type":"text","text":"began %s"}\n' "${now/,/.}"
sleep 0.3
