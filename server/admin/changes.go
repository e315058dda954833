package admin

import (
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/wire"
)

// maxWaitS is how long a change may be waited for, in seconds.
const maxWaitS = 60

func (h *Handler) changes(c echo.Context) error {
	ctx := c.Request().Context()
	if _, err := reader(ctx); err != nil {
		return err
	}
	after, limit, wait, err := changeQuery(c)
	if err != nil {
		return err
	}
	changes, err := h.Feed.Changes(ctx, after, limit)
	if err != nil {
		return err
	}
	if len(changes.Changes) == 0 && wait > 0 {
		if changes, err = h.awaitChanges(c, after, limit, wait); err != nil {
			return err
		}
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, changeList(changes))
}

func changeQuery(c echo.Context) (after uint64, limit int, wait time.Duration, err error) {
	query, err := parameters(c, "after", "limit", "wait_s")
	if err != nil {
		return 0, 0, 0, err
	}
	if after, err = number(query, "after", 0, math.MaxInt64, 0); err != nil {
		return 0, 0, 0, err
	}
	most, err := number(query, "limit", 1, maxLimit, defaultLimit)
	if err != nil {
		return 0, 0, 0, err
	}
	seconds, err := number(query, "wait_s", 0, maxWaitS, 0)
	return after, int(most), time.Duration(seconds) * time.Second, err
}

// awaitChanges waits for a change, but no longer than wait nor than the server
// serves, and reads what there is then.
func (h *Handler) awaitChanges(c echo.Context, after uint64, limit int, wait time.Duration) (authz.Changes[authz.Entity], error) {
	waiting, done, err := h.awaiting(c, wait)
	if err != nil {
		return authz.Changes[authz.Entity]{}, err
	}
	defer done()
	if err := h.Feed.Await(waiting, after); err != nil && waiting.Err() == nil {
		return authz.Changes[authz.Entity]{}, err
	}
	return h.Feed.Changes(c.Request().Context(), after, limit)
}

// changeList is a stretch of the feed as it is sent: without the hashes of secrets.
func changeList(changes authz.Changes[authz.Entity]) authz.Changes[authz.Entity] {
	sent := slices.Clone(changes.Changes)
	for i := range sent {
		sent[i].Entity = bare(sent[i].Entity)
	}
	changes.Changes = sent
	return changes
}
