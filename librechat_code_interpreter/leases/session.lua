-- Commands on one session. ARGV[1] names the command; what it returns stands above it.
-- KEYS and ARGV of every command; `argument` differs between commands.
local lock, fence, lease, released, used = unpack(KEYS)
local command, session, token, number, lock_ms, lease_ms, argument = unpack(ARGV)
local commands = {}

local function now_ms()
  local now = redis.call('TIME')
  return now[1] * 1000 + math.floor(now[2] / 1000)
end

local function write_lock()
  redis.call('SET', lock, token, 'PX', lock_ms)
  redis.call('HSET', fence, 'n', number, 'open', 1)
  redis.call('PEXPIRE', fence, lease_ms)
end

local function store_lease(json)
  redis.call('SET', lease, json, 'PX', lease_ms)
  redis.call('ZADD', used, now_ms(), session)
end

local function delete_lease()
  redis.call('DEL', lease)
  redis.call('ZREM', used, session)
end

-- Renew the lock if the caller still holds it; else return false. An expired lock (after a long outage) is still held
-- as long as nobody acquired it since. So is one that Redis lost with all its data; then return 'lost data'.
local function held()
  local owner = redis.call('GET', lock)
  local last, open = unpack(redis.call('HMGET', fence, 'n', 'open'))
  if owner and owner ~= token then return false end
  if not owner and last and (last ~= number or open ~= '1') then return false end
  write_lock()
  return last and 'held' or 'lost data'
end

-- Acquire the lock if it is free: {1, number, lease or '', age of its last use in ms}. Else {0, ms to its expiry, '', 0}.
function commands.acquire()
  local owner = redis.call('GET', lock)
  if owner and owner ~= token then return {0, redis.call('PTTL', lock), '', 0} end

  if owner then  -- a retry: the reply to our first attempt was lost
    number = redis.call('HGET', fence, 'n')
  else
    local last, open = unpack(redis.call('HMGET', fence, 'n', 'open'))
    if open == '1' then delete_lease() end  -- its holder died: the sandbox's contents are unknown; the sweep destroys it
    number = string.format('%.0f', math.max((tonumber(last) or 0) + 1, now_ms()))  -- grows even if Redis loses its data
    write_lock()
  end
  local used_at = tonumber(redis.call('ZSCORE', used, session) or 0)
  return {1, tonumber(number), redis.call('GET', lease) or '', now_ms() - used_at}
end

-- Renew lock and lease; `argument` is the lease as its holder knows it, or ''. 0: another holder has the lock.
function commands.renew()
  local state = held()
  if not state then return 0 end
  if state == 'lost data' and argument ~= '' then store_lease(argument) end
  redis.call('PEXPIRE', lease, lease_ms)
  return 1
end

-- Store the lease `argument`, used now. 0: another holder has the lock. 2: the session has no lease, and ARGV[8] others
-- have one.
function commands.keep()
  if not held() then return 0 end
  local most = tonumber(ARGV[8])
  if most and redis.call('EXISTS', lease) == 0 and redis.call('ZCARD', used) >= most then return 2 end
  store_lease(argument)
  return 1
end

-- Delete the lease. 0: another holder has the lock.
function commands.drop()
  if not held() then return 0 end
  delete_lease()
  return 1
end

-- Release the lock and wake a waiter. The lease is deleted unless `argument` is '1': the stored one is correct.
-- 0: another holder has the lock.
function commands.release()
  local owner = redis.call('GET', lock)
  if owner and owner ~= token then return 0 end
  if not owner and redis.call('HGET', fence, 'n') ~= number then return 0 end

  if argument ~= '1' then delete_lease() end
  redis.call('DEL', lock, released)
  redis.call('HSET', fence, 'open', 0)
  redis.call('PEXPIRE', fence, lease_ms)
  redis.call('RPUSH', released, 1)
  redis.call('PEXPIRE', released, 2000)
  return 1
end

-- List {session, lease, age of its last use in ms} of all sessions, the least recently used first. The key `lease` is
-- that of the empty session id: the prefix of all others.
function commands.list()
  local rows, now = {}, now_ms()
  local ranked = redis.call('ZRANGE', used, 0, -1, 'WITHSCORES')
  for i = 1, #ranked, 2 do
    local json = redis.call('GET', lease .. ranked[i])
    if json then
      rows[#rows + 1] = {ranked[i], json, now - tonumber(ranked[i + 1])}
    else
      redis.call('ZREM', used, ranked[i])
    end
  end
  return rows
end

return commands[command]()
