package transport

import (
	"reflect"
	"testing"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
)

// observed is a metric.Observer that remembers the values.
type observed struct {
	embedded.Observer
	values map[int64]bool
}

func (o *observed) ObserveInt64(_ metric.Int64Observable, v int64, _ ...metric.ObserveOption) {
	o.values[v] = true
}
func (o *observed) ObserveFloat64(metric.Float64Observable, float64, ...metric.ObserveOption) {}

func TestEveryCountOfStatsIsPublished(t *testing.T) {
	var s Stats
	next := int64(1000)
	want := make(map[int64]string)
	all := reflect.ValueOf(&s).Elem()
	for i := range all.NumField() {
		next++
		f, name := all.Field(i), all.Type().Field(i).Name
		want[next] = name
		switch f.Kind() {
		case reflect.Int, reflect.Int64:
			f.SetInt(next)
		case reflect.Uint64:
			f.SetUint(uint64(next))
		case reflect.Map:
			f.Set(reflect.MakeMap(f.Type()))
			f.SetMapIndex(reflect.ValueOf("reason").Convert(f.Type().Key()), reflect.ValueOf(uint64(next)))
		default:
			t.Fatalf("%s is a %v: teach this test", name, f.Type())
		}
	}
	o := &observed{values: make(map[int64]bool)}
	new(meters).publish(o, s)
	for v, name := range want {
		if !o.values[v] {
			t.Errorf("Stats.%s is not published", name)
		}
	}
}
