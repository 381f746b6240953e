---@meta prophet

--- What a resolver's file returns. docs/resolvers.md teaches writing one.
---@class prophet.Resolver
---@field name string
---@field version integer
---@field on string[]                "type.field", "type:life", "type.*", "kind:text", "*"
---@field vote fun(c: prophet.Question): prophet.Candidate|prophet.Answer|nil, string?

---@class prophet.Answer

--- What a resolver is asked: the same on every replica, but for `self`.
---@class prophet.Question
---@field type string
---@field record string
---@field field string
---@field kind string
---@field base any
---@field candidates prophet.Candidate[]
---@field self string                this replica's id
local c = {}

--- A vote for a value made out of the candidates.
---@param value any
---@return prophet.Answer
function c:merge(value) end

--- A vote for no value.
---@return prophet.Answer
function c:unset() end

--- Leaves it to people.
---@param why? string
---@return prophet.Answer
function c:ask(why) end
