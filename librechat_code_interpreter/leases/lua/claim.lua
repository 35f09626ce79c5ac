-- Take a spare, one of ARGV[2..] if there is any, else the newest, and guard it for ARGV[1] ms. '': there is none.
local guard_ms = tonumber(ARGV[1])
local chosen
for i = 2, #ARGV do
  if not chosen and redis.call('ZSCORE', spares, ARGV[i]) then chosen = ARGV[i] end
end
chosen = chosen or redis.call('ZREVRANGE', spares, 0, 0)[1]
if not chosen then return '' end
redis.call('ZREM', spares, chosen)
redis.call('ZADD', guarded, now_ms + guard_ms, chosen)
return chosen
