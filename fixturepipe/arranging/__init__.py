"""What `arrange` is made of: taking objects in, knowing their keys, ordering those that refer
to each other. Nothing here knows Django; what must wait waits on disk.
"""
