-- Guard the sandbox ARGV[1] for ARGV[2] ms.
redis.call('ZADD', guarded, now_ms + tonumber(ARGV[2]), ARGV[1])
return 1
