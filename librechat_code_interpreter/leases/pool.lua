-- Commands on the shared pool of warm sandboxes. ARGV[1] names the command; what it returns stands above it.
-- Scores: `spares` the time of entry, `tickets` and `guarded` the time of expiry (ms).
local spares, tickets, guarded = unpack(KEYS)
local commands = {}

local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZREMRANGEBYSCORE', tickets, '-inf', now_ms)
redis.call('ZREMRANGEBYSCORE', guarded, '-inf', now_ms)

-- Reserve room for one sandbox under `ticket` for `ticket_ms`, unless `most` exist or are reserved. 0: no room.
function commands.reserve(ticket, ticket_ms, most)
  if redis.call('ZSCORE', tickets, ticket) then return 1 end  -- a retry: the reply to our first attempt was lost
  if redis.call('ZCARD', spares) + redis.call('ZCARD', tickets) >= tonumber(most) then return 0 end
  redis.call('ZADD', tickets, now_ms + tonumber(ticket_ms), ticket)
  return 1
end

-- Replace `ticket` by a sandbox; '' cancels the ticket. 0: there is no such ticket, or it was cancelled.
function commands.fill(ticket, sandbox)
  if redis.call('ZREM', tickets, ticket) == 0 or sandbox == '' then return 0 end
  redis.call('ZADD', spares, now_ms, sandbox)
  return 1
end

-- Take a sandbox, a preferred one if there is any, else the newest, and guard it for `guard_ms`. '': there is none.
function commands.claim(guard_ms, ...)
  local chosen
  for _, preferred in ipairs({...}) do
    if not chosen and redis.call('ZSCORE', spares, preferred) then chosen = preferred end
  end
  chosen = chosen or redis.call('ZREVRANGE', spares, 0, 0)[1]
  if not chosen then return '' end
  redis.call('ZREM', spares, chosen)
  redis.call('ZADD', guarded, now_ms + tonumber(guard_ms), chosen)
  return chosen
end

-- Protect a sandbox from the sweep for `guard_ms`.
function commands.guard(sandbox, guard_ms)
  redis.call('ZADD', guarded, now_ms + tonumber(guard_ms), sandbox)
  return 1
end

-- List the sandboxes in the pool and the guarded ones.
function commands.kept()
  local kept = redis.call('ZRANGE', spares, 0, -1)
  for _, sandbox in ipairs(redis.call('ZRANGE', guarded, 0, -1)) do kept[#kept + 1] = sandbox end
  return kept
end

return commands[ARGV[1]](unpack(ARGV, 2))
