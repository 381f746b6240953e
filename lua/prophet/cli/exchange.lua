--- exchange: what pull, push and sync have in common.

local e = require "prophet.error"
local exit = require "prophet.cli.exit"
local reports = require "prophet.report"

local M = {}

M.about = [[
The other side is the directory of a replica or of a depot, a bundle, or a URL. What is brought is chosen by who pulls; changes keep their signatures, and
writers not seen before are named. Conflicts never fail a pull; with --strict open ones give exit status 5.]]

--- How the other side is reached: options of all commands that exchange.
M.way_options = {
  { name = "seal", value = "KEYFILE", doc = "the depot is sealed with this key" },
  { name = "token-file", value = "FILE", doc = "its first line is the secret for the URL" },
  { name = "cacert", value = "FILE", doc = "certificates to trust instead of the system's" },
  { name = "proxy", value = "URL", doc = "goes through this proxy; \"\" for none" },
}
M.options = { { name = "strict", doc = "end with 5 if conflicts are open" }, table.unpack(M.way_options) }

local function read_token(path)
  local file, why = io.open(path)
  if not file then e.raise { code = "not_found", message = "the token file " .. why } end
  local line = file:read "l"
  file:close()
  local token = line and line:match "^%s*(.-)%s*$"
  if not token or token == "" then e.raise { code = "usage", message = path .. " has no token in its first line" } end
  return token
end

--- The options of db:pull and its like; `more` are added.
function M.way(ctx, more)
  local o = ctx.options
  local all = {
    dry_run = o.dry_run, seal = o.seal, cacert = o.cacert, proxy = o.proxy, token = o.token_file and read_token(o.token_file) or nil,
  }
  for name, value in pairs(more or {}) do all[name] = value end
  return all
end

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
