-- Give out the ticket ARGV[1] for ARGV[2] ms, unless ARGV[3] spares are there or being made. 0: no room.
local ticket, ticket_ms, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if redis.call('ZSCORE', tickets, ticket) then return 1 end  -- the answer to our first attempt got lost
if redis.call('ZCARD', spares) + redis.call('ZCARD', tickets) >= most then return 0 end
redis.call('ZADD', tickets, now_ms + ticket_ms, ticket)
return 1
