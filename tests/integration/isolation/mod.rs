//! What one tenant's guests do is felt by nobody else: the write path's side of it.

mod slow_lane;
