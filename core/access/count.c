/* Pages already attributed to relations (count.h). */
#include "core/access/count.h"

CountIo count_io_taken;
