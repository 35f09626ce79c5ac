-- Give the lock back and wake who waits for it. `more` is '1' if the stored lease tells the truth; else it goes too.
local owner = redis.call('GET', lock)
if owner and owner ~= token then return 0 end
if not owner and redis.call('HGET', fence, 'n') ~= number then return 0 end

if more ~= '1' then drop() end
redis.call('DEL', lock, free)
redis.call('HSET', fence, 'open', 0)
redis.call('PEXPIRE', fence, lease_ms)
redis.call('RPUSH', free, 1)
redis.call('PEXPIRE', free, 2000)
return 1
