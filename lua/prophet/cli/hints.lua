--- hints: ways out as the library says them to scripts, said to somebody at a command line.

local M = {}

-- What a hint begins with, and what the command says instead.
local said = {
  { "make one with create = true", "prophet init DIR makes one, prophet clone copies one" },
  { 't:incr("', "FIELD+=N adds to a counter, FIELD-=N takes from it" },
  { "use incr", "FIELD+=N adds to a counter, FIELD-=N takes from it" },
  { 't:add("', "FIELD+=VALUE adds to a set, FIELD-=VALUE takes from it" },
  { 't:unset "', "FIELD= unsets it" },
  { "db.types.", "its number alone names it, or the other type before it" },
  { "t:delete() takes it away", "prophet delete takes it away" },
  { ":get(name, { deleted = true }):restore()", "prophet history shows who did it, prophet revert brings it back" },
  { "add one, as in q.match", "name the words to look for, as in prophet search ticket crash --sort=-score" },
  { "q.fn(function", "computed fields are no conditions; @NAME is a query that the schema names" },
  { "test it with a function: q.fn", "computed fields are no conditions; @NAME is a query that the schema names" },
  { "q.eq, or q.contains for texts", "FIELD=VALUE, or FIELD~TEXT for texts" },
  { "q.has finds an element", "FIELD:VALUE finds an element" },
  { "q.between(low, high)", "FIELD=LOW..HIGH" },
  { "read the record again, or force", "--force writes it all the same" },
  { "db:revert(changeset) takes others' changes back", "prophet revert CHANGESET takes others' changes back" },
  { "an entry of db:log or t:history", "its version, its id or the start of it: prophet log shows them" },
  { "--token-file, or the option token", "--token-file FILE" },
}

--- The hint of an error as a command shows it.
---@param hint string?
---@return string?
function M.of(hint)
  if not hint then return nil end
  for _, one in ipairs(said) do
    if hint:sub(1, #one[1]) == one[1] then return one[2] end
  end
  return hint
end

return M
