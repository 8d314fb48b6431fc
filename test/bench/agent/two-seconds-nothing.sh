# Works for two seconds and leaves nothing to publish, as the peer's stand-in did.
now=$EPOCHREALTIME
printf '{"type":"text","text":"began %s"}\n' "${now/,/.}"
sleep 2
