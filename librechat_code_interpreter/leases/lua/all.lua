-- List {session, lease, age of its last use in ms}, the least recently used first.
local used, prefix = KEYS[1], ARGV[1]
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local rows = {}
local ranked = redis.call('ZRANGE', used, 0, -1, 'WITHSCORES')
for i = 1, #ranked, 2 do
  local lease = redis.call('GET', prefix .. ranked[i])
  if lease then
    rows[#rows + 1] = {ranked[i], lease, now_ms - tonumber(ranked[i + 1])}
  else
    redis.call('ZREM', used, ranked[i])
  end
end
return rows
