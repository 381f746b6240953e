--- prophet stats

local format = require "prophet.format"

return {
  name = "stats", summary = "how much there is: changesets, records, replicas, bytes",
  run = function(ctx)
    local db = ctx:read()
    local stats = db:stats()
    ctx:result(stats, function()
      local names, lines, widest = {}, {}, 0
      for name in pairs(stats) do
        names[#names + 1] = tostring(name)
        widest = math.max(widest, #tostring(name))
      end
      table.sort(names)
      for i, name in ipairs(names) do
        lines[i] = ("%-" .. widest .. "s  %s"):format(name, format.plain(stats[name]))
      end
      return table.concat(lines, "\n")
    end)
  end,
}
