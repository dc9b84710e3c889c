"""Scored comparisons with the recorded results of Segment, RudderStack and Jitsu in the shared data."""
