-- Store the lease `more`, used now. 0: the session is somebody else's.
if not held() then return 0 end
keep(more)
return 1
