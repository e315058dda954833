package servertest

import (
	"context"
	"io"
	"strconv"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/admin"
)

// Replays is a stage for what Control does about decisions that are judged anew, and
// for admin.Shadow: it answers what its fields say, and remembers what it was asked.
type Replays struct {
	// Run is the replay; nil compares nothing.
	Run func(context.Context, ReplayRun) (authz.Comparison, error)
	// Err is answered for a shadow instead of Report, when set.
	Err    error
	Report authz.ShadowReport
	Asked  []string
}

// ReplayRun is what a replay was asked with.
type ReplayRun struct {
	Request         authz.ReplayRequest
	Bundle, Records io.Reader // nil when nothing was sent along
	Progress        func(done, total uint64)
}

// Running implements admin.Shadow.
func (r *Replays) Running() (authz.ShadowReport, error) { return r.Report, r.Err }

// judging is Control with a stage for what judges decisions anew.
type judging struct {
	admin.Control
	stage *Replays
}

// Replay implements admin.Control.
func (j judging) Replay(ctx context.Context, _ authz.Author, r authz.ReplayRequest, bundle, records io.Reader, progress func(done, total uint64)) (authz.Comparison, error) {
	if j.stage.Run == nil {
		return authz.Comparison{}, nil
	}
	return j.stage.Run(ctx, ReplayRun{Request: r, Bundle: bundle, Records: records, Progress: progress})
}

// StartShadow implements admin.Control.
func (j judging) StartShadow(_ context.Context, by authz.Author, generation uint64, _ float64) (authz.ShadowReport, error) {
	j.stage.Asked = append(j.stage.Asked, "start "+strconv.FormatUint(generation, 10)+" by "+by.Key)
	return j.stage.Report, j.stage.Err
}

// StopShadow implements admin.Control.
func (j judging) StopShadow(context.Context, authz.Author) (authz.ShadowReport, error) {
	j.stage.Asked = append(j.stage.Asked, "stop")
	return j.stage.Report, j.stage.Err
}
