-- The server's time: seconds, and the microseconds of the second.
return redis.call('TIME')
