-- Renew lock and lease. 0: the session is somebody else's. `more`: the lease as we know it, or ''.
local state = held()
if not state then return 0 end
if state == 'lost data' and more ~= '' then keep(more) end
redis.call('PEXPIRE', lease, lease_ms)
return 1
