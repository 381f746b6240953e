--- snippet: what a match found in a record, as a text to show.

local core = require "prophet.core"
local e = require "prophet.error"
local strict = require "prophet.strict"

local M = {}

local HANDLE, NAME = 1, 2
local OPTIONS = { before = "string", after = "string", words = "integer", escape = "function" }

local function check(options)
  for name, value in pairs(strict.options("snippet", options, OPTIONS)) do
    local want = OPTIONS[name]
    if (math.type(value) or type(value)) ~= want then
      e.raise { code = "usage", message = ("snippet's %s wants %s, not a %s"):format(name, strict.a(want), type(value)), value = value }
    end
  end
  if options.words and (options.words < 1 or options.words > 1000) then
    e.raise { code = "usage", message = "snippet's words are 1 to 1000", value = options.words }
  end
end

--- The part of a text that shows most of what the spec's matches found, about `words` (24) words of it, each find between `before` ("[") and
--- `after` ("]"), the rest through `escape`; and the field's name. nil: no text of the record's own has one.
function M.of(ts, spec, record, options)
  options = options or {}
  check(options)
  if not core.record.is(record) or record.type ~= ts[NAME] then
    e.raise { code = "usage", type = ts[NAME], hint = "for t in query:each() do print(query:snippet(t)) end",
      message = ("snippet is of %s, not of a %s"):format(strict.a(ts[NAME]), core.record.is(record) and record.type or type(record)) }
  end
  local found = ts[HANDLE]:snippet(spec, record, options.words or 24)
  if not found then return nil end
  local out = {}
  for i, piece in ipairs(found.pieces) do
    if options.escape then piece = options.escape(piece) end
    out[i] = i % 2 == 0 and (options.before or "[") .. piece .. (options.after or "]") or piece
  end
  return table.concat(out), found.field
end

return M
