package governor

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// collectEvery is how long the governor goes by what the last collection found
// when the process has taken much of its memory, but may not need it. Near the
// limit the runtime collects more often by itself.
const collectEvery = 5 * time.Second

// A small heap is collected after it has doubled like a large one, which a
// process that passes on many small messages does every second. So at least
// headroom bytes are allocated between two collections, or headroomShare percent
// of the limit if that is less. GOGC in the environment turns this off.
const (
	headroom      = 64 << 20
	headroomShare = 10
)

// Process is the memory of this process below its GOMEMLIMIT.
type Process struct {
	limit   uint64
	samples []metrics.Sample
	cycles  uint64    // collections at the last look
	since   time.Time // when that number was first seen

	gogc     int  // in force
	fixed    bool // by the environment
	headroom uint64
}

// The samples of a Process, in this order.
var sampled = []string{
	"/gc/cycles/total:gc-cycles",
	"/gc/heap/live:bytes", // what the last collection could not free
	"/memory/classes/heap/unused:bytes",
	"/memory/classes/heap/stacks:bytes",
	"/memory/classes/os-stacks:bytes",
	"/memory/classes/metadata/mcache/inuse:bytes",
	"/memory/classes/metadata/mspan/inuse:bytes",
	"/memory/classes/metadata/other:bytes",
	"/memory/classes/other:bytes",
	"/memory/classes/profiling/buckets:bytes",
	"/memory/classes/total:bytes",
	"/memory/classes/heap/released:bytes",
}

// NewProcess takes the limit that is set when it is called.
func NewProcess() *Process {
	limit := debug.SetMemoryLimit(-1) // a negative one changes nothing
	p := &Process{limit: uint64(limit), since: time.Now(), gogc: defaultGOGC, headroom: headroom}
	p.headroom = min(p.headroom, p.limit/100*headroomShare)
	_, p.fixed = os.LookupEnv("GOGC")
	for _, name := range sampled {
		p.samples = append(p.samples, metrics.Sample{Name: name})
	}
	return p
}

// defaultGOGC is how many percent a heap grows between two collections.
const defaultGOGC = 100

// pace sets how far the heap may grow beyond what the last collection has left.
func (p *Process) pace(left uint64) {
	if p.fixed {
		return
	}
	gogc := int(max(defaultGOGC, p.headroom*100/max(left, 1<<20)))
	if gogc > p.gogc-p.gogc/8 && gogc < p.gogc+p.gogc/8 {
		return // it stops the world
	}
	p.gogc = gogc
	debug.SetGCPercent(gogc)
}

// Limited reports whether there is a limit at all.
func (p *Process) Limited() bool { return p.limit != math.MaxInt64 }

// Read implements [Memory]. One goroutine may call it.
func (p *Process) Read() (used, limit uint64) {
	used, taken := p.read()
	if float64(taken) < float64(p.limit)/100*float64(percent[Refuse]-margin) {
		return min(used, taken), p.limit // however much of it is garbage
	}
	if time.Since(p.since) >= collectEvery {
		runtime.GC()
		used, _ = p.read()
	}
	return used, p.limit
}

// read returns what cannot be freed, and what counts against the limit.
func (p *Process) read() (used, taken uint64) {
	metrics.Read(p.samples)
	value := func(i int) uint64 { return p.samples[i].Value.Uint64() }
	if cycles := value(0); cycles != p.cycles {
		p.cycles, p.since = cycles, time.Now()
		p.pace(value(1) + value(3))
	}
	last := len(p.samples) - 2
	for i := 1; i < last; i++ {
		used += value(i)
	}
	return used, value(last) - value(last+1)
}
