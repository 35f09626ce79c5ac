-- Store the lease `more`, used now. 0: the session is somebody else's. 2: it has no lease yet, and ARGV[7] others have one.
if not held() then return 0 end
local most = tonumber(ARGV[7])
if most and redis.call('EXISTS', lease) == 0 and redis.call('ZCARD', used) >= most then return 2 end
keep(more)
return 1
