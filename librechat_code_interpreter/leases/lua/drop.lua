-- Forget the lease. 0: the session is somebody else's.
if not held() then return 0 end
drop()
return 1
