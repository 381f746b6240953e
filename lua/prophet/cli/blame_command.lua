--- prophet blame

local describe = require "prophet.describe"
local format = require "prophet.format"
local lookup = require "prophet.cli.lookup"

return {
  name = "blame", past = true, args = "ID", min = 1, max = 1, summary = "who is behind what each field shows",
  run = function(ctx)
    local db = ctx:read()
    local blame = lookup.record(db, nil, ctx.args[1]):blame()
    if ctx.options.json then return ctx:json(blame) end
    local names, widest = {}, 0
    for name in pairs(blame) do
      names[#names + 1] = name
      widest = math.max(widest, #name)
    end
    table.sort(names)
    for _, name in ipairs(names) do
      local b = blame[name]
      local decided = describe.decided(b)
      ctx:result(b, ("%-" .. widest .. "s  %s  %s  %s%s"):format(name, tostring(b.time), b.author or tostring(b.replica):sub(1, 8),
        format.apart({ format.plain(b.value) }, 60)[1], decided and ("  [%s]"):format(decided) or ""))
    end
  end,
}
