-- Take the lock if it is free: {1, number, lease or '', age of its last use in ms}. Else {0, ms until it runs out, '', 0}.
local owner = redis.call('GET', lock)
if owner and owner ~= token then return {0, redis.call('PTTL', lock), '', 0} end

if owner then  -- the answer to our first attempt got lost
  number = redis.call('HGET', fence, 'n')
else
  local last, open = unpack(redis.call('HMGET', fence, 'n', 'open'))
  if open == '1' then drop() end  -- its holder died: nobody knows what lies in that sandbox, the sweep will end it
  number = string.format('%.0f', math.max((tonumber(last) or 0) + 1, now_ms()))  -- grows even if Redis loses its data
  lock_it()
end
local used_at = tonumber(redis.call('ZSCORE', used, session) or 0)
return {1, tonumber(number), redis.call('GET', lease) or '', now_ms() - used_at}
