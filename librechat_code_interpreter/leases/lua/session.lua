-- What all scripts about one session share.
local lock, fence, lease, free, used = unpack(KEYS)
local session, token, number, lock_ms, lease_ms, more = unpack(ARGV)

local function now_ms()
  local now = redis.call('TIME')
  return now[1] * 1000 + math.floor(now[2] / 1000)
end

local function lock_it()
  redis.call('SET', lock, token, 'PX', lock_ms)
  redis.call('HSET', fence, 'n', number, 'open', 1)
  redis.call('PEXPIRE', fence, lease_ms)
end

local function keep(json)
  redis.call('SET', lease, json, 'PX', lease_ms)
  redis.call('ZADD', used, now_ms(), session)
end

local function drop()
  redis.call('DEL', lease)
  redis.call('ZREM', used, session)
end

-- Is the session still this hold's? Then the lock is renewed. A lock that ran out (a long outage) counts as ours
-- as long as nobody came after us; so does one that Redis lost with all its data ('lost data').
local function held()
  local owner = redis.call('GET', lock)
  local last, open = unpack(redis.call('HMGET', fence, 'n', 'open'))
  if owner and owner ~= token then return false end
  if not owner and last and (last ~= number or open ~= '1') then return false end
  lock_it()
  return last and 'held' or 'lost data'
end

