--- exchange: what pull, push and sync have in common.

local exit = require "prophet.cli.exit"
local reports = require "prophet.report"

local M = {}

M.about = [[
The other side is the directory of a replica or of a depot, a bundle, or a URL. What is brought is chosen by who pulls; changes keep their signatures, and
writers not seen before are named. Conflicts never fail a pull; with --strict open ones give exit status 5.]]

local seal = { name = "seal", value = "KEYFILE", doc = "the depot is sealed with this key" }

M.options = { { name = "strict", doc = "end with 5 if conflicts are open" }, seal }
M.seal_option = { seal }

--- Shows the report and gives the exit status.
function M.finish(ctx, db, report)
  ctx:result(report, not ctx.options.quiet and tostring(report) or nil)
  for _, text in ipairs(reports.abstentions((report.pull or report).notes)) do ctx:warn(text) end
  local open = 0
  if ctx.options.strict then
    for _ in db:conflicts { status = "open" } do open = open + 1 end
  end
  return open > 0 and exit.strict or exit.done
end

return M
