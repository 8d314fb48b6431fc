# Says that it is there and does nothing.
printf '{"type":"text","text":"here"}\n'
exec sleep 86400
