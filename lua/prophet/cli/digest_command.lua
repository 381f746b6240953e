--- prophet digest

return {
  name = "digest", past = true, summary = "one number for all that is known: equal on replicas that are",
  run = function(ctx)
    local db = ctx:read()
    ctx:result(function() return { digest = db:digest(), version = db:version() } end, function() return db:digest() end)
  end,
}
